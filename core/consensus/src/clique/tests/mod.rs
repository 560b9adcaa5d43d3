mod headers;
mod properties;
mod sealing;
mod store;
mod voting;
