"""Evaluation of SSA, and of its segmenter alone, on data sets with truth.

`layouts` finds the images and their truth, `truth` reads it, `runner` asks for the class maps and
counts (`confusion`), `report` and `worst` show what came out.
"""
