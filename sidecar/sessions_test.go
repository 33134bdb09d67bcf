package sidecar_test

import (
	"testing"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/sidecar"
)

func TestSessionsAreMadeAheadAsConfigured(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[int]bool{config.Default().Sessions.Ahead: true, 0: false} {
		c := config.Default()
		c.StateDir, c.Sessions.Ahead = t.TempDir(), ahead
		route, err := sidecar.NewRoute(c, c.Routes[0], zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		if got := route.Endpoint().Transport.Sessions != nil; got != want {
			t.Errorf("sessions.ahead %d: %t", ahead, got)
		}
		route.Close()
	}
}
