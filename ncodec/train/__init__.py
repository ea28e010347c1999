"""Training: a leaf of the package that imports everything; only `bench` imports from it, the reference codecs."""

import os

# Before torch is loaded: libgomp's threads wait actively by default, and a run beside other work loses most of its
# speed by that.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
