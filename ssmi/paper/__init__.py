"""The paper's tables made again with any encoder, beside the figures that the paper prints."""
