"""Every frame keeps the contract. A new frame adds a class here and inherits all of its tests."""

from fa_pyg import CosetFrame, HaarFrame, PCAFrame, PerMode, Sample, ScaleFrame, WeightedPCAFrame
from fa_pyg.testing import LINES, FrameContract, assert_exact, catalogue, lines

SOME = ("O(1)", "SO(2)", "E(3)", "SE(3)", "T(2)", "E(4)")  # for frames made of others


class TestPCA(FrameContract):
    def make(self, group):
        return PCAFrame(group)


class TestDetachedPCA(FrameContract):
    differentiable = False

    def make(self, group):
        return PCAFrame(group, detach=True)


class TestSampleInEvaluation(FrameContract):
    groups = SOME

    def make(self, group):
        return Sample(PCAFrame(group), k=1).eval()


class TestSampleInTraining(FrameContract):
    groups = SOME
    stochastic = True

    def make(self, group):
        return Sample(PCAFrame(group), k=1)


class TestPerModeInEvaluation(FrameContract):
    groups = SOME

    def make(self, group):
        return PerMode(HaarFrame(group, k=1), PCAFrame(group)).eval()


class TestHaar(FrameContract):
    stochastic = True
    differentiable = False

    def make(self, group):
        return HaarFrame(group, k=3)


class TestCentroid(FrameContract):
    """Translations are taken out exactly and continuously."""

    groups = ("T(2)", "T(3)")
    exact = continuous = smooth = True

    def make(self, group):
        return PCAFrame(group)


class TestWeighted(FrameContract):
    groups = (*(f"{kind}({dim})" for kind in ("O", "SO", "E", "SE") for dim in (1, 2, 3)), "T(4)")
    resolution = 0.025 * 0.05  # tau * gap

    def make(self, group):
        return WeightedPCAFrame(group, smoothness="fast")


class TestForces(FrameContract):
    groups = ("O(1)", "SO(2)", "E(2)", "SO(3)", "E(3)", "T(3)")
    resolution = 0.035 * 0.02  # tau * gap

    def make(self, group):
        return WeightedPCAFrame(group, smoothness="forces")


class TestForcesWhereItIsHard(TestForces):
    groups = ("E(2)", "SE(2)", "E(3)", "SE(3)")
    exact = continuous = smooth = True

    def clouds(self, dim):
        return [cloud for cloud in catalogue(dim) if len(cloud.pos) <= 12]

    def lines(self, dim):
        return lines(len(LINES[dim]), dim)


class TestDynamicsWhereItIsHard(TestForcesWhereItIsHard):
    groups = ("E(2)", "SE(3)")

    def clouds(self, dim):
        return [cloud for cloud in catalogue(dim) if len(cloud.pos) <= 8]

    def make(self, group):
        return WeightedPCAFrame(group, smoothness="dynamics")


class TestCoset(FrameContract):
    groups = ("SO(3)", "E(3)")

    def make(self, group):
        return CosetFrame(PCAFrame(group), "O")


class TestCosetOfWeighted(FrameContract):
    groups = ("E(2)", "SE(3)")
    resolution = 0.025 * 0.05
    exact = continuous = smooth = True

    def make(self, group):
        frame = WeightedPCAFrame(group, smoothness="fast")
        return CosetFrame(frame, "C4" if group[-2] == "2" else "D2(3)")

    def clouds(self, dim):
        return [cloud for cloud in catalogue(dim) if len(cloud.pos) <= 8]

    def lines(self, dim):
        return lines(len(LINES[dim]), dim)


class TestWeightedWhereItIsHard(TestWeighted):
    groups = ("E(2)", "E(3)", "SE(3)")
    exact = continuous = smooth = True

    def clouds(self, dim):
        return [cloud for cloud in catalogue(dim) if len(cloud.pos) <= 24]

    def lines(self, dim):
        return lines(2 * len(LINES[dim]), dim)

    def test_exact_on_large_clouds(self):
        """C60 and others of up to 120 symmetries."""
        large = [cloud for cloud in catalogue() if len(cloud.pos) > 24]
        assert_exact(self.make("E(3)"), large)


class TestScale(FrameContract):
    groups = ("R+:O(2)", "R+:E(3)", "R+:SE(3)", "R+:T(2)")

    def make(self, group):
        return ScaleFrame(PCAFrame(group.removeprefix("R+:")))


class TestScaleWhereItIsHard(FrameContract):
    groups = ("R+:E(3)",)
    resolution = 0.025 * 0.05
    exact = True

    def make(self, group):
        return ScaleFrame(WeightedPCAFrame("E(3)", smoothness="fast"))

    def clouds(self, dim):
        """Not those whose points coincide: all scalings fix them, but not their velocities."""
        return [cloud for cloud in catalogue(dim) if 2 <= len(cloud.pos) <= 6 and cloud.pos.std(0).max() > 0]
