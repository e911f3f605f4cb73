"""A seeded sample of small faults in the code, and which tests notice them.

`sample.json` holds forty of seed 11, each where it is now, and what became of it before the tests
were shortened (`earlier`). To see that none killed then survives now, find them again if modules
were moved since, and run them:

    python -m tests.mutants place --tree . --mutants tests/mutants/sample.json --out placed.json \\
        --map OLD=NEW ...
    python -m tests.mutants run --tree . --mutants placed.json --out result.json --tests tests/...
"""
