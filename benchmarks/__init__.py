"""Benchmarks: one file a question, each run from the root of the repository.

``python -m benchmarks.quality DATA`` (or ``students``, ``pools``, ``speed``, and in
environments of their own ``autogluon_distill``, ``tabtune_distill``); ``--help`` says
what each takes. `harness` runs them, and says how one is added. ``python -m
benchmarks.appendix`` writes the tables and figures of the docs from their results.
"""
