package sidecar_test

import (
	"testing"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/crypto/ark"
	"sealcar/sidecar"
)

func TestRepliesInClearAreTreatedAsTheRouteSays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*config.Route)
		want ark.ClearReply
	}{
		"default": {func(*config.Route) {}, ark.ClearReply{}},
		"refuse":  {func(r *config.Route) { r.Replies.Clear = "refuse" }, ark.ClearReply{Refuse: true}},
		"strict":  {func(r *config.Route) { r.Strict = true }, ark.ClearReply{Refuse: true}},
		"filter":  {func(r *config.Route) { r.Replies.UnsafeContentFilterText = true }, ark.ClearReply{UnsafeContentFilterText: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config.Default()
			c.StateDir = t.TempDir()
			r := config.NewRoute("ark", "ark.example.com")
			test.edit(&r)
			route, err := sidecar.NewRoute(c, r, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			defer route.Close()
			if got := route.Endpoint().Transport.ClearReply; got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
