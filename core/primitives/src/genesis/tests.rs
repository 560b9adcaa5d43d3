//! Genesis files and networks.
