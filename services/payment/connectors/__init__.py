"""The payment providers of this process: the mock and its unreliable sister."""
