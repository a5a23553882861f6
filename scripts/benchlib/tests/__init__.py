"""Tests of the decisions that scripts/bench makes."""
