"""The open-vocabulary engine: captions, candidate names, and the choice between them.

Pure functions over arrays; networks come in as arguments. `steps/captioning.py` and
`steps/label_decision.py` adapt them to Triton.
"""
