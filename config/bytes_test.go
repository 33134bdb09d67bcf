package config_test

import (
	"math"
	"testing"

	"sealcar/config"
)

func TestParseBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want config.Bytes
		out  string
	}{
		{"0", 0, "0B"},
		{"1", 1, "1B"},
		{"1B", 1, "1B"},
		{"1000", 1000, "1000B"},
		{"1024", 1024, "1KiB"},
		{"1KiB", 1024, "1KiB"},
		{"64MiB", 64 << 20, "64MiB"},
		{"64 MiB", 64 << 20, "64MiB"},
		{"1536KiB", 1536 << 10, "1536KiB"},
		{"3GiB", 3 << 30, "3GiB"},
		{"2048MiB", 2 << 30, "2GiB"},
		{"1kB", 1000, "1000B"},
		{"128MB", 128_000_000, "125000KiB"},
		{"1GB", 1_000_000_000, "1000000000B"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807B"},
	} {
		got, err := config.ParseBytes(c.in)
		if err != nil || got != c.want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", c.in, got, err, c.want)
		}
		if got.String() != c.out {
			t.Errorf("%q is written %s, want %s", c.in, got, c.out)
		}
		if again, err := config.ParseBytes(c.out); err != nil || again != c.want {
			t.Errorf("ParseBytes(%q) = %d, %v; want %d", c.out, again, err, c.want)
		}
	}
}

func TestParseBytesRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", " ", "B", "MiB", "-1", "+1", "-1MiB", "1.5MiB", "1.0", "1e3", "1e3B", "0x10", "1_000", "1,000",
		"1 000", "1  MiB", "1MiB ", " 1MiB", "1mib", "1M", "1m", "1KB", "1TiB", "1MiBB", "1MiB1", "1\tMiB", "٣MiB", "∞",
		"9223372036854775808", "8589934592GiB", "99999999999999999999GiB",
	} {
		if got, err := config.ParseBytes(in); err == nil {
			t.Errorf("ParseBytes(%q) = %d", in, got)
		}
	}
}
