"""The vector cache of a home: what a model was paid for once is not asked for again.

``embedkit cache`` and :func:`embedkit.cache` show, bound and clear it.
"""

from embedkit.caching.spaces import CacheInfo, Space, SpaceInfo
from embedkit.caching.vectors import VectorCache

__all__ = ["CacheInfo", "Space", "SpaceInfo", "VectorCache"]
