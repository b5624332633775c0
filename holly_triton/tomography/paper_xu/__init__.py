"""The experiments of Xu et al. 2017 with structures that are at hand."""
