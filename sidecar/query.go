package sidecar

import (
	"context"
	"errors"

	"sealcar/crypto/ark"
)

// ErrNoModel says that a certificate was asked for without saying whose.
var ErrNoModel = errors.New("no model was named")

// Query asks for a certificate outside of a request: that of model, with the API
// key. A model "" is ErrNoModel, unless a file has the one certificate of all. A
// key "" takes one of the route's own credentials, if there are any and the
// source needs one; if not, it stays "".
func (e *Endpoint) Query(ctx context.Context, model, key string) (ark.Query, error) {
	q := e.question(model)
	if q.Model == "" {
		return ark.Query{}, ErrNoModel
	}
	q.Credential = key
	if credential := e.credential(); key == "" && credential != nil {
		var err error
		if q.Credential, err = credential(ctx, q.Model); err != nil {
			return ark.Query{}, err
		}
	}
	return q, nil
}

// question is a Query without an API key.
func (e *Endpoint) question(model string) ark.Query {
	if model == "" && e.settings.Source == "file" {
		model = "file" // it is every model's certificate
	}
	return ark.Query{Model: model, AICC: e.settings.AICC}
}

// credential is where a question without a request gets its API key; nil if its
// source needs none, or if there is none without a request.
func (e *Endpoint) credential() func(ctx context.Context, model string) (string, error) {
	if e.Credentials == nil || !e.settings.Uses("api-key") {
		return nil
	}
	return e.Credentials.Credential
}

// keepWarm fetches what can be fetched without a request, before which the
// sidecar is not ready, and keeps it fresh.
func (e *Endpoint) keepWarm() {
	models := e.settings.WarmUp
	if e.settings.Source == "file" {
		models = []string{""}
	}
	if len(models) == 0 {
		return
	}
	queries := make([]ark.Query, len(models))
	for i, model := range models {
		queries[i] = e.question(model)
	}
	e.Certificates.KeepWarm(queries, e.credential())
}
