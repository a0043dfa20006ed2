"""Class interference of deep neural networks: measured, drawn, and tested against the paper arXiv:2211.01370."""
