"""Realistic requests of mParticle's, made from what a registration asks for.

mParticle sends an integration nothing that it did not declare: these requests hold only declared types of events,
identities, settings and whatever a permission allows. All people and values in them are invented.
"""

from local.samples.requests import Sample, samples
from local.samples.settings import FAKE_SECRET, values_in

__all__ = ["FAKE_SECRET", "Sample", "samples", "values_in"]
