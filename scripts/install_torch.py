"""Install torch into the running environment, but no gigabytes of CUDA by accident.

pip is asked first what it would install; if NVIDIA's libraries are among that, nothing is
downloaded unless ``--cuda yes`` was given.
"""

import argparse
import json
import subprocess
import sys

ADVICE = """\
Installing {spec} here would download {count} CUDA packages, several gigabytes.
  With an NVIDIA GPU:   make CUDA=yes ...
  Without one:          make PIP_ARGS="--extra-index-url ADDRESS" TORCH={spec}+cpu ...
                        where ADDRESS is PyTorch's CPU index (pytorch.org, "Get started")."""


def main() -> int:
    """Return pip's exit code, or 1 with advice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="requirement, for example torch==2.13.0")
    parser.add_argument("--cuda", choices=["yes", "no"], default="no")
    parser.add_argument("pip_args", nargs="*", help="options for pip, after --")
    args = parser.parse_args()
    install = [sys.executable, "-m", "pip", "install", "--quiet", *args.pip_args, args.spec]
    if args.cuda == "no":
        dry = subprocess.run(
            [*install, "--dry-run", "--report", "-"], capture_output=True, text=True, check=False
        )
        if dry.returncode:
            sys.stderr.write(dry.stderr)
            return dry.returncode
        planned = [item["metadata"]["name"].lower() for item in json.loads(dry.stdout)["install"]]
        cuda = [name for name in planned if name.startswith(("nvidia-", "cuda-"))]
        if cuda:
            print(ADVICE.format(spec=args.spec, count=len(cuda)), file=sys.stderr)
            return 1
    return subprocess.run(install, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
