package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"sealcar/apierror"
	"sealcar/certfetch/revocation"
	"sealcar/sidecar"
	"sealcar/upstream"
)

// maxSkew is how far this machine's clock may be from the upstream's before
// certificates are judged wrongly; the skew setting covers less.
const maxSkew = 5 * time.Minute

// tls makes a connection as a request would and looks at its certificate and at
// the upstream's clock.
func (e *examination) tls(ctx context.Context) Finding {
	resp, err := e.get(ctx) //nolint:bodyclose // get closes it
	if err != nil {
		return bad(tlsNext(err), "%s", apierror.Peerless(err.Error())) // an egress proxy may repeat its credentials
	}
	if resp.TLS == nil {
		return Finding{Verdict: Unsure, Saw: "the upstream is reached without TLS", Next: "Use an https:// upstream; unsafe_upstream_http is on."}
	}
	leaf := resp.TLS.PeerCertificates[0]
	saw := fmt.Sprintf("%s, %s; its certificate %q, issued by %q, ends on %s",
		tls.VersionName(resp.TLS.Version), resp.Proto, leaf.Subject.CommonName, leaf.Issuer.CommonName, leaf.NotAfter.UTC().Format(time.DateOnly))
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		skew := e.options.Now().Sub(at).Round(time.Second)
		if skew.Abs() > maxSkew {
			return bad("Set this machine's clock (NTP): certificates are judged by it.", "%s; this machine's clock is %v off the upstream's", saw, skew)
		}
		saw += fmt.Sprintf("; the clocks agree to %v", max(skew.Abs(), time.Second))
	}
	return Finding{Verdict: Good, Saw: saw}
}

func tlsNext(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "If the upstream's authority is your own, name its roots in upstream_ca_file; else somebody may be in the way."
	}
	if _, ok := errors.AsType[*upstream.PinError](err); ok {
		return "If the upstream's key was replaced on purpose, correct upstream_tls.pins; else somebody may be in the way."
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return "The upstream refused the handshake: check upstream_tls (min_version, client_cert_file)."
	}
	return "Check the route's upstream and upstream_proxy, and that the upstream speaks TLS on that port."
}

// certificate fetches the endpoint certificate and verifies it, past every cache.
func (e *examination) certificate(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, e.options.Config.Timeouts.Certificate)
	defer cancel()
	q, err := e.endpoint.Query(ctx, e.options.Model, e.options.Credential)
	switch {
	case errors.Is(err, sidecar.ErrNoModel):
		return skipped("Name an endpoint with --model.", "nothing to ask for")
	case err != nil:
		return bad("Correct the route's credentials, or give an application's API key with --api-key-file.", "no API key: %v", err)
	case q.Credential == "" && e.route.Certificate.Uses("api-key"):
		return skipped("Give an application's API key with --api-key-file.", "nothing to ask with")
	}
	chain, err := e.endpoint.Source.Fetch(ctx, q)
	if err != nil {
		return bad("docs/errors.md has what each code means.", "%v", err)
	}
	cert, path, err := e.endpoint.Verifier.VerifyPath(chain, q.AICC)
	if err != nil {
		return bad("Check certificate.roots, certificate.pins and the clock. If they are right, the certificate is not the endpoint's: somebody may be in the way.", "%v", err)
	}
	e.path = path
	return good("%q, serial %x, issued by %q, verified; in force until %s", cert.Leaf.Subject.CommonName, cert.Leaf.SerialNumber,
		cert.Leaf.Issuer.CommonName, cert.Leaf.NotAfter.UTC().Format(time.DateOnly))
}

// revocation asks whether the certificate was taken back.
func (e *examination) revocation(ctx context.Context) Finding {
	switch {
	case e.path == nil:
		return skipped("", "no certificate to ask about")
	case e.endpoint.Revocation.Checker == nil:
		return skipped("Set certificate.revocation.mode to soft or hard to have it asked.", "certificate.revocation.mode is off")
	}
	status := e.endpoint.Revocation.Checker.Check(ctx, e.path)
	switch {
	case status.Verdict == revocation.Good:
		return good("not revoked; the next statement is due on %s", status.NextUpdate.UTC().Format(time.RFC3339))
	case status.Verdict == revocation.Revoked:
		return bad("Do not use this endpoint: ask the provider. The sidecar refuses it.", "revoked: %s", status.Reason)
	case e.endpoint.Revocation.Hard:
		return bad("Let this machine reach the CRL or OCSP host (certificate.revocation.allowed_hosts, upstream_proxy), or set the mode to soft.", "unknown: %s", status.Reason)
	default:
		return Finding{Verdict: Unsure, Saw: "unknown: " + status.Reason, Next: "In mode soft this does not stand in the way. Let this machine reach the CRL or OCSP host to know."}
	}
}
