"""Networks on molecules and crystals, and potentials (energies, forces, stresses) made from them."""
