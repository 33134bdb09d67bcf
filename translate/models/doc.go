// Package models lets applications name models as they were written to: a
// request's model is exchanged for the endpoint id or model name that the
// upstream has, and the reply names the model that was asked for.
//
// Start at Transport. Nothing is refused here: a body that does not read
// strictly passes as it came, for the seal to refuse.
package models
