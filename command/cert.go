package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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
		newCertAction(p, certAction{
			name: "show", short: "Print the certificate that a request would be sealed for: the one at hand, else a new one",
			route: keepingRoute, get: (*certfetch.Cache).Certificate,
		}),
		newCertAction(p, certAction{
			name: "fetch", short: "Ask for the certificate anew and keep what is given",
			route: keepingRoute, get: (*certfetch.Cache).Fetch,
		}),
		newCertAction(p, certAction{
			name: "verify", short: "Ask for the certificate anew, and judge it with its revocation; keep nothing",
			route: sidecar.NewExaminedRoute, get: (*certfetch.Cache).Fetch,
		}),
	)
	return cmd
}

// certAction is one way to get a certificate. Each of its steps has a time limit
// of its own: timeouts.certificate, certificate.revocation.timeout.
type certAction struct {
	name, short string
	route       func(*config.Config, config.Route) (*sidecar.Route, error)
	get         func(*certfetch.Cache, context.Context, ark.Query) (*ark.Certificate, error)
}

func keepingRoute(c *config.Config, r config.Route) (*sidecar.Route, error) {
	return sidecar.NewRoute(c, r, zerolog.Nop())
}

func newCertAction(p Process, action certAction) *cobra.Command {
	var f examineFlags
	var route string
	cmd := &cobra.Command{
		Use:   action.name,
		Short: action.short,
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
	made, err := action.route(c, r)
	if err != nil {
		return nil, fmt.Errorf("route %q: %w", r.Name, err)
	}
	defer made.Close()
	key, err := f.credential()
	if err != nil {
		return nil, err
	}
	e := made.Endpoint()
	q, err := e.Query(ctx, f.model, key)
	if errors.Is(err, sidecar.ErrNoModel) {
		return nil, errors.New("whose certificate? Name an endpoint with --model")
	}
	if err != nil {
		return nil, err
	}
	if _, err := action.get(e.Certificates, ctx, q); err != nil {
		return nil, err
	}
	return stateOf(e.Certificates, q)
}

func routeNamed(c *config.Config, name string) (config.Route, error) {
	for _, r := range c.Routes {
		if name == "" || r.Name == name {
			return r, nil
		}
	}
	return config.Route{}, fmt.Errorf("there is no route %q", name)
}

func stateOf(c *certfetch.Cache, q ark.Query) (*certfetch.State, error) {
	for _, s := range c.State() {
		if s.Model == q.Model && s.AICC == q.AICC {
			return &s, nil
		}
	}
	return nil, fmt.Errorf("the certificate of %q is gone again", q.Model)
}

// printCert prints the facts, one a line.
func printCert(w io.Writer, now time.Time, s *certfetch.State) error {
	var text strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&text, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("model", "%s", s.Model)
	line("subject", "%s", s.Subject)
	for _, issuer := range s.Issuers {
		line("issuer", "%s", issuer)
	}
	line("serial", "%s", s.Serial)
	line("spki pin", "%s", s.SPKI)
	line("valid", "%s to %s", s.NotBefore.UTC().Format(time.RFC3339), s.NotAfter.UTC().Format(time.RFC3339))
	line("revocation", "%s", describe(s.Revocation))
	if s.Source != "" {
		line("source", "%s", s.Source)
	}
	line("age", "%s", ago(now, s.Fetched))
	if s.LastError != "" {
		line("last error", "%s", s.LastError)
	}
	_, err := io.WriteString(w, visible(text.String()))
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
