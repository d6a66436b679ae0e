"""ble-train: a small neural network from 13 BLE signal strengths to one of the cells of a floor grid."""

NAME = 'ble-train'
VERSION = '0.1.0'
