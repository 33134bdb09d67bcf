package certfetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"sealcar/apierror"
)

// maxRetryAfter bounds what an endpoint may tell applications to wait.
const maxRetryAfter = 24 * time.Hour

// call is one question to a certificate endpoint, and how its failures are told
// to the application.
type call struct {
	client  *http.Client
	host    string   // who is asked, as messages name it
	model   string   // whose certificate is asked for
	check   string   // what to look at when the credential is refused
	secrets []string // never repeated, to the application or in a log, even if the endpoint does
}

// reply is a certificate endpoint's answer, whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send asks once. It follows no redirect: the credential goes to the host it is
// meant for and to no other.
func (c call) send(req *http.Request) (*reply, error) {
	client := *c.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPEM+1))
	if err != nil {
		return nil, c.unreachable(err)
	}
	if len(body) > maxPEM {
		return nil, c.unavailable(fmt.Sprintf("its answer is over %d bytes", maxPEM), nil)
	}
	return &reply{status: res.StatusCode, header: res.Header, body: body}, nil
}

// refused tells of an answer that is not a certificate. The status decides;
// words are the endpoint's own.
func (c call) refused(r *reply, status int, words string) error {
	e := &apierror.Error{Status: status, RetryAfter: retryAfter(r.header)}
	var next string
	switch {
	case status == http.StatusUnauthorized:
		e.Code, next = "certificate_unauthorized", "check "+c.check
	case status == http.StatusForbidden:
		e.Code, next = "certificate_forbidden", "check "+c.check+" and what it may use"
	case status == http.StatusNotFound:
		e.Code, next = "certificate_not_found", "check the model name; only models with application-layer encryption have a certificate"
	case status == http.StatusTooManyRequests:
		e.Code, next = "certificate_rate_limited", "wait and try again"
	case status >= http.StatusInternalServerError:
		e.Status, e.Code, next = http.StatusServiceUnavailable, "certificate_unavailable", "try again later"
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		e.Status, e.Code, next = http.StatusBadGateway, "certificate_rejected", "redirects are never followed, check the route's upstream"
		e.NoRetry = true
	default:
		e.Status, e.Code, next = http.StatusBadGateway, "certificate_rejected", "check the model name and the route's certificate settings"
		e.NoRetry = true
	}
	e.Message = c.message(fmt.Sprintf("it answered %d%s", r.status, quoted(clean(words, c.secrets))), next)
	return e
}

// unreachable tells of an answer that did not come.
func (c call) unreachable(cause error) error {
	if timeout, ok := errors.AsType[net.Error](cause); ok && timeout.Timeout() || errors.Is(cause, context.DeadlineExceeded) {
		return c.unavailable("no answer in time", cause)
	}
	return c.unavailable("it could not be reached", cause)
}

// unavailable tells of an answer that did not come or makes no sense.
func (c call) unavailable(what string, cause error) error {
	return &apierror.Error{
		Status:  http.StatusServiceUnavailable,
		Code:    "certificate_unavailable",
		Message: c.message(what, "try again, and check the network and the route's certificate settings"),
		Cause:   cleanError(cause, c.secrets),
	}
}

func (c call) message(what, next string) string {
	return fmt.Sprintf("sealcar could not get the certificate of model %s from %s: %s; %s", name(c.model), c.host, what, next)
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3). A date is taken relative to
// the endpoint's own Date, so that no clock of ours is involved.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(date), 0), maxRetryAfter)
}
