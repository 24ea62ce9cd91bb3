"""The augmentation protocol: gain by synthetic training records, compared with classical augmentation."""
