"""*harness*: ablation tables for emotion recognition on video that a reviewer can trust."""

__version__ = "0.1.0"
