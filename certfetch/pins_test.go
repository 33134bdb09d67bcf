package certfetch_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"sealcar/certfetch"
)

func TestT12_Pins(t *testing.T) {
	t.Parallel()
	p, other := newPKI(t, now), newPKI(t, now)
	leaf, next := p.leaf(t), p.leaf(t)
	serial := fmt.Sprintf("%X", leaf.SerialNumber)
	if len(serial)%2 == 1 {
		serial = "0" + serial
	}
	var colons []string
	for i := 0; i < len(serial); i += 2 {
		colons = append(colons, serial[i:i+2])
	}
	list := func(s ...string) []string { return s }
	tests := []struct {
		name          string
		serials, spki []string
		fault         string
		nextFault     string // of another leaf of the same sub CA
	}{
		{"none", nil, nil, "", ""},
		{"serial", list(serial), nil, "", "serial number is none of the 1"},
		{"serial with colons, lower case, among others", list("1", strings.ToLower(strings.Join(colons, ":"))), nil, "", "serial number"},
		{"another serial", list("1"), nil, "serial number", "serial number"},
		{"leaf key", nil, list(certfetch.SPKI(leaf)), "", "none"},
		{"sub CA key", nil, list(certfetch.SPKI(p.sub.cert)), "", ""},
		{"root key", nil, list(certfetch.SPKI(other.root.cert), certfetch.SPKI(p.root.cert)), "", ""},
		{"another key", nil, list(certfetch.SPKI(other.sub.cert)), "certificate.pins.spki", "certificate.pins.spki"},
		{"both match", list(serial), list(certfetch.SPKI(p.sub.cert)), "", "serial number"},
		{"only the serial matches", list(serial), list(certfetch.SPKI(other.sub.cert)), "certificate.pins.spki", "serial number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pins, err := certfetch.NewPins(tt.serials, tt.spki)
			if err != nil {
				t.Fatal(err)
			}
			v := certfetch.Verifier{Roots: p.roots(t), Pins: pins, Now: at(now)}
			wantFault(t, verify(&v, false, leaf), tt.fault)
			if tt.nextFault == "none" {
				tt.nextFault = "no public key of its path"
			}
			wantFault(t, verify(&v, false, next), tt.nextFault)
			v.Pins = certfetch.Pins{}
			wantFault(t, verify(&v, false, other.leaf(t), other.sub.cert), "unknown authority")
		})
	}
}

// A pinned key must be in the path that was verified, not merely in the reply.
func TestT12_PinnedKeyBesideThePathDoesNotCount(t *testing.T) {
	t.Parallel()
	p, other := newPKI(t, now), newPKI(t, now)
	pins, err := certfetch.NewPins(nil, []string{certfetch.SPKI(other.sub.cert)})
	if err != nil {
		t.Fatal(err)
	}
	v := certfetch.Verifier{Roots: p.roots(t), Pins: pins, Now: at(now)}
	wantFault(t, verify(&v, false, p.leaf(t), other.sub.cert, other.root.cert), "certificate.pins.spki")
}

// While a sub CA is certified by two roots, either way may hold the pinned key.
func TestPinsLookAtEveryPathOfARollover(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	next := newRoot(t, now)
	crossed := sign(t, caTemplate("test sub CA", now), next.cert, next.key, p.sub.key.Public(), nil)
	for _, root := range []*authority{p.root, next} {
		pins, err := certfetch.NewPins(nil, []string{certfetch.SPKI(root.cert)})
		if err != nil {
			t.Fatal(err)
		}
		v := certfetch.Verifier{Roots: loadRoots(t, p.root.cert, next.cert, p.sub.cert, crossed), Pins: pins, Now: at(now)}
		_, path, err := v.VerifyPath(chain(p.leaf(t)), false)
		if err != nil || !path[len(path)-1].Equal(root.cert) {
			t.Errorf("%v, path of %d", err, len(path))
		}
	}
}

func TestNewPinsRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, serial := range []string{"", "xyz", "-1", "0x10", "1 2"} {
		if _, err := certfetch.NewPins([]string{serial}, nil); err == nil {
			t.Errorf("serial %q was accepted", serial)
		}
	}
	for _, spki := range []string{"", "AAAA", "sha256/" + certfetch.SPKI(newPKI(t, now).root.cert), strings.Repeat("A", 43)} {
		if _, err := certfetch.NewPins(nil, []string{spki}); err == nil {
			t.Errorf("key %q was accepted", spki)
		}
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}
