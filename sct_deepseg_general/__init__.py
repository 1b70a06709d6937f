"""Spinal cord segmentation and CSA on any MRI contrast."""
