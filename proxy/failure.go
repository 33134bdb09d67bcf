package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"sealcar/apierror"
	"sealcar/netguard"
)

// explain is the answer to a failed round trip to host: what a protocol says,
// what was wrong with the application's body, or what kind of trouble the
// upstream gave. The cause is for the log.
func explain(err, bodyErr error, host string) *apierror.Error {
	if e, ok := errors.AsType[*apierror.Error](err); ok {
		return e
	}
	if bodyErr != nil {
		return explainBody(bodyErr)
	}
	if errors.Is(err, errSelfDial) {
		return refusal("own_address", "%s is sealcar's own address. Send requests to it directly, not through it as a proxy.", host)
	}
	if errors.Is(err, netguard.ErrRefused) { // which address it is may be a secret of the network's
		e := refusal("address_not_allowed", "%s leads to an address that egress.addresses does not let through. Add a route for the host if it is meant, or widen the setting.", host)
		e.Cause = err
		return e
	}
	e := &apierror.Error{Status: http.StatusBadGateway, Code: "upstream_unreachable", Cause: err}
	if timedOut(err) {
		e.Status, e.Code = http.StatusGatewayTimeout, "upstream_timeout"
	}
	e.Message = "Could not get a reply from " + host + ": " + trouble(err)
	return e
}

func explainBody(err error) *apierror.Error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &apierror.Error{Status: http.StatusRequestTimeout, Code: "request_body_timeout", Message: "The request's body did not arrive within timeouts.read_body. Send it faster or raise the setting.", Cause: err}
	}
	e := refusal("bad_request_body", "The request's body broke off or is not well formed. Send it again.")
	e.Cause = err
	return e
}

func timedOut(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// troubled is an error of whoever sends for a route that has its own plain words:
// what the upstream does, and what to look at. It is an interface because that
// package is not known here.
type troubled interface {
	error
	Trouble() string
}

// trouble says in plain words what kind of failure err is and what to look at.
func trouble(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return "its name does not resolve. Check the host name and DNS."
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its TLS certificate does not verify (" + causeText(e.Err) + "). Check the route's upstream_ca_file."
	}
	if e, ok := errors.AsType[troubled](err); ok {
		return e.Trouble()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" { // crypto/tls's way to tell of an alert
		return "it refused TLS (" + e.Err.Error() + "). Check the route's upstream_tls."
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "it does not speak TLS on that port."
	}
	switch {
	case timedOut(err):
		return "it took too long. Try again, or raise the timeouts in the configuration."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses connections. Check that it runs and that the port is right."
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, net.ErrClosed): // by our transport, for its end came before the request was out
		return "it closed the connection before it answered. Try again."
	default:
		return "the connection failed. sealcar's log has the cause."
	}
}
