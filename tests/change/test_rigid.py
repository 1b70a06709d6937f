import numpy as np
import pytest

from sct_deepseg_general.change.rigid import ImagePair, Motion, found_motion, likeness, moved
from sct_deepseg_general.change.straight import CordCourse, Sampler, sampler_of
from sct_deepseg_general.image.volume import Grid, Volume

LENGTH = 60


def course() -> CordCourse:
    points = np.column_stack([np.zeros((2 * LENGTH + 1, 2)), np.arange(2 * LENGTH + 1) / 2])
    return CordCourse(points, np.tile(np.eye(3), (len(points), 1, 1)))


def sampler(motion: np.ndarray) -> Sampler:
    """A lump of soft spots seen from a straight cord, moved by a 4 x 4 matrix."""
    rng = np.random.default_rng(3)
    spots = np.column_stack([rng.uniform(-12, 12, (60, 2)), rng.uniform(-28, 28, 60)])
    heights = rng.uniform(0.5, 1.5, 60)
    shape = (49, 49, 61)
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    uvw = moved(voxels - np.array([24, 24, 30.0]), motion)
    data = sum(
        h * np.exp(-np.sum((uvw - spot) ** 2, axis=-1) / 18)
        for h, spot in zip(heights, spots, strict=True)
    )
    affine = np.eye(4)
    affine[:3, 3] = (-24, -24, 0)
    return sampler_of(Volume(np.asarray(data, np.float32), Grid(shape, affine)), course())


@pytest.fixture(scope="module")
def pair():
    vector = np.array([0.02, -0.03, 0.04, 0.8, -0.6, 4.0])
    return ImagePair(sampler(Motion(vector).half(-1)), sampler(Motion(vector).half(1))), vector


def test_a_known_motion_is_found(pair):
    images, vector = pair
    motion = found_motion(images)
    assert likeness(images, motion) > 0.995
    assert motion.vector[:3] == pytest.approx(vector[:3], abs=0.004)
    assert motion.vector[3:] == pytest.approx(vector[3:], abs=0.1)


def test_exchanging_the_images_changes_the_sign_of_the_motion(pair):
    images, _ = pair
    there = found_motion(images).vector
    back = found_motion(ImagePair(images.second, images.first)).vector
    assert back == pytest.approx(-there, abs=1e-6)


def test_the_same_image_twice_has_no_motion():
    one = sampler(np.eye(4))
    motion = found_motion(ImagePair(one, one))
    assert not motion.vector.any()


def test_half_twice_is_the_whole_and_has_an_inverse():
    motion = Motion(np.array([0.3, -0.2, 0.1, 4.0, 5.0, -6.0]))
    whole = Motion(2 * motion.vector).half(1)
    assert np.allclose(motion.half(1) @ motion.half(1), whole)
    assert np.allclose(motion.half(1) @ motion.from_half(1), np.eye(4))
    assert np.allclose(motion.half(-1), motion.from_half(1))
    turn = motion.half(1)[:3, :3]
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
