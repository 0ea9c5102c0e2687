"""The public names, all of which `kinetic_nde` has: its attributes are those of this module, imported when the first is asked for."""

from .adjoints.adjoint import CheckpointAdjoint as CheckpointAdjoint, ForwardMode as ForwardMode
from .analysis.diagnose import diagnose as diagnose
from .analysis.diagnosis import Diagnosis as Diagnosis
from .analysis.dobrushin import dobrushin_bound as dobrushin_bound
from .analysis.equilibria import SteadyStates as SteadyStates
from .analysis.families.gaussian import GaussianFamily as GaussianFamily
from .analysis.families.generalized_gamma import GeneralizedGammaFamily as GeneralizedGammaFamily
from .analysis.families.inverse_gamma import InverseGammaFamily as InverseGammaFamily
from .analysis.families.pareto_tail import ParetoTailFamily as ParetoTailFamily
from .analysis.fitted import Candidate as Candidate, Fit as Fit
from .analysis.fitting import fit as fit
from .analysis.flow import Flow as Flow, StandardNormal as StandardNormal
from .analysis.linearised import closure_error as closure_error, linearised as linearised
from .analysis.mean_preserving_bias import mean_preserving_bias as mean_preserving_bias
from .analysis.moments import moments as moments
from .analysis.partial_moments import moment_rate as moment_rate, partial_moments as partial_moments
from .analysis.regression.regress import regress as regress
from .analysis.regression.regression import Prediction as Prediction, Regression as Regression
from .analysis.self_similar import self_similar as self_similar
from .analysis.standardisation import Standardisation as Standardisation
from .analysis.steady_states import steady_states as steady_states
from .analysis.times import time_to_energy as time_to_energy, time_to_variance as time_to_variance
from .distributions.density import Density as Density
from .distributions.distance import wasserstein as wasserstein
from .distributions.ensemble import Ensemble as Ensemble
from .distributions.grid import Grid as Grid
from .distributions.reconstruction import CWENO3 as CWENO3
from .equations.binary_boltzmann import BinaryBoltzmann as BinaryBoltzmann
from .equations.boltzmann import Boltzmann as Boltzmann
from .equations.diffusion import ConstantDiffusion as ConstantDiffusion, LinearDiffusion as LinearDiffusion
from .equations.fokker_planck import FokkerPlanck as FokkerPlanck
from .equations.mean_field import MeanField as MeanField
from .equations.noise import NormalNoise as NormalNoise, UniformNoise as UniformNoise
from .methods.chang_cooper import ChangCooper as ChangCooper
from .methods.characteristics import Characteristics as Characteristics
from .methods.collisions import Collisions as Collisions
from .methods.finite_volume.scheme import FiniteVolume as FiniteVolume
from .methods.layers import Layers as Layers
from .methods.particles import Particles as Particles
from .methods.push_forward import PushForward as PushForward
from .methods.result import Result as Result
from .network.activations import (
    GeneralizedGamma as GeneralizedGamma,
    GrowingCosine as GrowingCosine,
    Identity as Identity,
    ReLU as ReLU,
    Sigmoid as Sigmoid,
    Tanh as Tanh,
)
from .network.parameters import (
    Constant as Constant,
    Interpolated as Interpolated,
    PiecewiseConstant as PiecewiseConstant,
)
from .network.simresnet import SimResNet as SimResNet, rescale as rescale
from .sensitivity.adjoint import TransportAdjoint as TransportAdjoint
from .sensitivity.check_gradient import check_gradient as check_gradient
from .sensitivity.fit_flow import fit_flow as fit_flow
from .sensitivity.flow_fit import FlowFit as FlowFit, FlowHistory as FlowHistory, FlowOutcome as FlowOutcome
from .sensitivity.gradient_check import GradientCheck as GradientCheck
from .sensitivity.losses import (
    KullbackLeiblerLoss as KullbackLeiblerLoss,
    L2Loss as L2Loss,
    MomentLoss as MomentLoss,
)
from .sensitivity.retrain import retrain as retrain
from .sensitivity.retraining import History as History, Outcome as Outcome, Retraining as Retraining
from .sensitivity.smoothed_loss import SmoothedL2Loss as SmoothedL2Loss
from .sensitivity.transport_losses import CramerLoss as CramerLoss, WassersteinLoss as WassersteinLoss
from .solution import Solution as Solution
from .solve import solve as solve
