package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// seesWhatIsClear sends the marker in clear to each relay, over the protocol that
// the sidecar will use: a watch that does not see it there would see nothing
// afterwards.
func (e *bothEnds) seesWhatIsClear(ctx context.Context) error {
	for i, relay := range e.relays {
		transport := &http.Transport{
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: tlsRoots(e.keys), ServerName: "localhost"},
			ForceAttemptHTTP2: true,
		}
		body := fmt.Sprintf(`{"model":"ep-1","messages":[{"role":"user","content":"%s"}]}`, e.watch.Marker)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+relay.Addr()+chatPath, strings.NewReader(body))
		if err != nil {
			return fmt.Errorf("trying the watch: %w", err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("trying the watch: %w", err)
		}
		_ = resp.Body.Close() // a refusal
		transport.CloseIdleConnections()
		if _, found := e.watch.Take(); len(found) == 0 {
			return errors.New("trying the watch: it does not see a chat in clear over " + resp.Proto)
		}
		if want := []string{"HTTP/2.0", "HTTP/1.1"}[i]; resp.Proto != want {
			return fmt.Errorf("trying the watch: %s, want %s", resp.Proto, want)
		}
	}
	return nil
}
