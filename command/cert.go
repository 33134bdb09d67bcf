package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sealcar/apierror"
	"sealcar/certfetch"
	"sealcar/certfetch/revocation"
	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/sidecar"
)

func newCert(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Show, fetch or verify an endpoint certificate",
	}
	cmd.AddCommand(
		newCertAction(p, "show", "Print the certificate that a request would be sealed for: the one at hand, else a new one", showCert),
		newCertAction(p, "fetch", "Ask for the certificate anew and keep what is given", fetchCert),
		newCertAction(p, "verify", "Ask for the certificate anew, and judge it with its revocation; keep nothing", verifyCert),
	)
	return cmd
}

// certAction gives the facts of the certificate that q asks for at an endpoint.
type certAction func(ctx context.Context, e *sidecar.Endpoint, q ark.Query) (*certfetch.State, error)

func newCertAction(p Process, name, short string, action certAction) *cobra.Command {
	var f examineFlags
	var route string
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: failing(func(cmd *cobra.Command, _ []string) error {
			state, err := certificateState(cmd.Context(), p, &f, route, action)
			if f.json {
				return errors.Join(printCertJSON(p.Stdout, state, err), silently(err))
			}
			if err != nil {
				return err
			}
			return printCert(p.Stdout, time.Now(), state)
		}),
	}
	f.add(cmd)
	cmd.Flags().StringVar(&route, "route", "", "name of the route (default: the first)")
	return cmd
}

// silently fails without a message: it was printed as JSON.
func silently(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{status: 1}
}

func certificateState(ctx context.Context, p Process, f *examineFlags, route string, action certAction) (*certfetch.State, error) {
	c, err := loadConfig(p, f.configFile)
	if err != nil {
		return nil, err
	}
	r, err := routeNamed(c, route)
	if err != nil {
		return nil, err
	}
	made, err := sidecar.NewRoute(c, r, zerolog.Nop())
	if err != nil {
		return nil, fmt.Errorf("route %q: %w", r.Name, err)
	}
	defer made.Close()
	q := ark.Query{Model: f.model, AICC: r.Certificate.AICC}
	if q.Model == "" && r.Certificate.Source == "file" {
		q.Model = "file" // it is every model's certificate
	}
	if q.Model == "" {
		return nil, errors.New("whose certificate? Name an endpoint with --model")
	}
	if q.Credential, err = f.credential(); err != nil {
		return nil, err
	}
	e := made.Endpoint()
	if q.Credential == "" && e.Credentials != nil {
		if q.Credential, err = e.Credentials.Credential(ctx, q.Model); err != nil {
			return nil, err
		}
	}
	return action(ctx, e, q)
}

func routeNamed(c *config.Config, name string) (config.Route, error) {
	for _, r := range c.Routes {
		if name == "" || r.Name == name {
			return r, nil
		}
	}
	return config.Route{}, fmt.Errorf("there is no route %q", name)
}

// showCert takes the certificate from the caches, and asks if they have none.
func showCert(ctx context.Context, e *sidecar.Endpoint, q ark.Query) (*certfetch.State, error) {
	if _, err := e.Certificates.Certificate(ctx, q); err != nil {
		return nil, err
	}
	return stateOf(e, q)
}

// fetchCert asks anew whatever the caches hold.
func fetchCert(ctx context.Context, e *sidecar.Endpoint, q ark.Query) (*certfetch.State, error) {
	held, err := e.Certificates.Certificate(ctx, q)
	if err != nil {
		return nil, err
	}
	if _, _, err := e.Certificates.Renew(ctx, q, held); err != nil {
		return nil, err
	}
	return stateOf(e, q)
}

func stateOf(e *sidecar.Endpoint, q ark.Query) (*certfetch.State, error) {
	for _, s := range e.Certificates.State() {
		if s.Model == q.Model && s.AICC == q.AICC {
			return &s, nil
		}
	}
	return nil, fmt.Errorf("the certificate of %q is gone again", q.Model)
}

// verifyCert judges past the caches, and waits for the revocation.
func verifyCert(ctx context.Context, e *sidecar.Endpoint, q ark.Query) (*certfetch.State, error) {
	chain, err := e.Source.Fetch(ctx, q)
	if err != nil {
		return nil, err
	}
	_, path, err := e.Verifier.VerifyPath(chain, q.AICC)
	if err != nil {
		return nil, err
	}
	state := certfetch.NewState(q, path)
	state.Fetched = time.Now()
	if e.Revocation.Checker == nil {
		return &state, nil
	}
	state.Revocation = e.Revocation.Checker.Check(ctx, path)
	switch {
	case state.Revocation.Verdict == revocation.Revoked:
		return &state, fmt.Errorf("endpoint certificate %s is revoked: %s", state.Serial, state.Revocation.Reason)
	case state.Revocation.Verdict != revocation.Good && e.Revocation.Hard:
		return &state, fmt.Errorf("the revocation of endpoint certificate %s is unknown: %s", state.Serial, state.Revocation.Reason)
	}
	return &state, nil
}

// printCert prints the facts, one a line.
func printCert(w io.Writer, now time.Time, s *certfetch.State) error {
	line := func(name, format string, args ...any) string {
		return fmt.Sprintf("%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	text := line("model", "%s", s.Model) + line("subject", "%s", s.Subject)
	for _, issuer := range s.Issuers {
		text += line("issuer", "%s", issuer)
	}
	text += line("serial", "%s", s.Serial) + line("spki pin", "%s", s.SPKI) +
		line("valid", "%s to %s", s.NotBefore.UTC().Format(time.RFC3339), s.NotAfter.UTC().Format(time.RFC3339)) +
		line("revocation", "%s", describe(s.Revocation))
	if s.Source != "" {
		text += line("source", "%s", s.Source)
	}
	text += line("age", "%s", ago(now, s.Fetched))
	if s.LastError != "" {
		text += line("last error", "%s", s.LastError)
	}
	_, err := io.WriteString(w, text)
	return err
}

func describe(s revocation.Status) string {
	switch {
	case s.Verdict == "":
		return "not asked (certificate.revocation.mode is off)"
	case s.Reason != "":
		return fmt.Sprintf("%s: %s", s.Verdict, s.Reason)
	default:
		return string(s.Verdict)
	}
}

// certJSON is what --json prints, on failure too.
type certJSON struct {
	Certificate *certFacts `json:"certificate"` // null if there is none
	Error       *certError `json:"error"`       // null if all is well
}

type certFacts struct {
	Model      string    `json:"model"`
	AICC       bool      `json:"aicc"`
	Source     string    `json:"source,omitempty"`
	Subject    string    `json:"subject"`
	Issuers    []string  `json:"issuers"`
	Serial     string    `json:"serial"`
	SPKI       string    `json:"spki_sha256"`
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	Fetched    time.Time `json:"fetched"`
	Stale      bool      `json:"stale"`
	Revocation string    `json:"revocation"`
	Reason     string    `json:"revocation_reason,omitempty"`
	LastError  string    `json:"last_error,omitempty"`
}

type certError struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
}

func printCertJSON(w io.Writer, s *certfetch.State, err error) error {
	var out certJSON
	if s != nil {
		out.Certificate = &certFacts{
			Model: s.Model, AICC: s.AICC, Source: s.Source, Subject: s.Subject, Issuers: s.Issuers, Serial: s.Serial, SPKI: s.SPKI,
			NotBefore: s.NotBefore, NotAfter: s.NotAfter, Fetched: s.Fetched, Stale: s.Stale,
			Revocation: string(s.Revocation.Verdict), Reason: s.Revocation.Reason, LastError: s.LastError,
		}
	}
	if err != nil {
		out.Error = &certError{Message: err.Error()}
		if e, ok := errors.AsType[*apierror.Error](err); ok {
			out.Error.Code, out.Error.Message = e.Code, e.Message
		}
	}
	return printJSON(w, out)
}
