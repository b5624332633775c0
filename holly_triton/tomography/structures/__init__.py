"""Structures as weighted clouds of points: from files, and those that ship."""
