"""What runs the product on a machine: templates, ports, health. Imported by nothing else."""
