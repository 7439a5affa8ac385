"""Models on other machines: a server of models, and the client that is one of them here."""
