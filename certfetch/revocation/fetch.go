package revocation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// fetch asks at q's address, once. That nobody answers there, or does not end, is
// remembered for the host: the next certificate will name the same. It is not to
// blame where nobody waits for its answer.
func (c *Checker) fetch(ctx context.Context, q question) ([]byte, error) {
	req, err := q.httpRequest(ctx)
	if err != nil {
		c.faults.Fail(q.key, err)
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, errors.New("there was no time left to ask")
	}
	res, err := c.config.Client.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, q, err)
	}
	defer func() { _ = res.Body.Close() }()
	limit := c.limit(q)
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, c.unreachable(ctx, q, err)
	}
	switch {
	case res.StatusCode != http.StatusOK:
		err = fmt.Errorf("it answered %d", res.StatusCode)
	case int64(len(body)) > limit:
		err = fmt.Errorf("its answer is over %d bytes", limit)
	default: // the Content-Type is not looked at: many CAs get it wrong, and the signature tells what it is
		return body, nil
	}
	c.faults.Fail(q.key, err)
	return nil, err
}

func (c *Checker) unreachable(ctx context.Context, q question, err error) error {
	err = plain(err)
	if !errors.Is(ctx.Err(), context.Canceled) {
		c.faults.Fail(q.host, err)
	}
	return err
}

func (c *Checker) limit(q question) int64 {
	if q.kind == "OCSP" {
		return maxOCSP
	}
	return c.config.MaxBytes
}

func (q question) httpRequest(ctx context.Context) (*http.Request, error) {
	if _, err := checkAddress(q.address); err != nil {
		return nil, err
	}
	body, err := q.request()
	if err != nil {
		return nil, err
	}
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost // RFC 6960 appendix A
	}
	req, err := http.NewRequestWithContext(ctx, method, q.address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/ocsp-request")
		req.Header.Set("Accept", "application/ocsp-response")
	}
	return req, nil
}

// plain takes the address, which the message already names, out of err.
func plain(err error) error {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fmt.Errorf("it could not be reached: %w", err)
}
