mod mining;
mod vectors;
