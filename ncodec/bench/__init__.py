"""The comparison of `ncodec bench`: what ncodec is worth against what people would do otherwise. Nothing imports it."""
