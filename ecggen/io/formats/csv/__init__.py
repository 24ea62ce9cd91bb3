"""Text tables of numbers: plain CSV, Apple Watch, Polar Sensor Logger and Empatica E4."""
