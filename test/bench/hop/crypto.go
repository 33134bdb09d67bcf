package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// cryptography is what `make bench-crypto` has found, for the same page.
type cryptography struct {
	verdicts []verdict
	times    [][]string // what, µs
	versions string     // of the vendor's SDKs
}

// The lines of that output: a value with its target, a time with its range, and
// what it was compared with.
var (
	cryptoTarget   = regexp.MustCompile(`^(\S.*?) +([0-9.]+) +target (<=|>=) ([0-9.]+)$`)
	cryptoTime     = regexp.MustCompile(`^(\S.*?) +([0-9.]+) ns +\(([0-9.]+) to ([0-9.]+)\)$`)
	cryptoVersions = regexp.MustCompile(`^versions: (.+)$`)
)

// readCryptography reads the file of that output; without a name there is none.
func readCryptography(file string) (cryptography, error) {
	if file == "" {
		return cryptography{}, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return cryptography{}, fmt.Errorf("the figures of bench-crypto: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	return parseCryptography(f)
}

func parseCryptography(r io.Reader) (found cryptography, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if m := cryptoTarget.FindStringSubmatch(lines.Text()); m != nil {
			found.verdicts = append(found.verdicts, targetOf(m[1], m[2], m[3], m[4]))
		}
		if m := cryptoTime.FindStringSubmatch(lines.Text()); m != nil {
			times := summary{median: parsed(m[2]) / 1000, least: parsed(m[3]) / 1000, most: parsed(m[4]) / 1000}
			found.times = append(found.times, []string{m[1], times.text()})
		}
		if m := cryptoVersions.FindStringSubmatch(lines.Text()); m != nil {
			found.versions = m[1]
		}
	}
	return found, lines.Err()
}

func targetOf(what, value, relation, limit string) verdict {
	sign, ratio := "≤ ", over(parsed(value), parsed(limit))
	if relation == ">=" {
		sign, ratio = "≥ ", over(parsed(limit), parsed(value))
	}
	const least = 0.001 // for a count of 0 is met, and a verdict with a ratio of 0 has none
	return verdict{what: what, target: sign + limit, measured: value, ratio: max(ratio, least)}
}

// parsed is a number that a pattern has found.
func parsed(text string) float64 {
	v, _ := strconv.ParseFloat(text, 64) // the patterns take only numbers
	return v
}

// section is that of the page; nothing if nothing was measured.
func (c cryptography) section() string {
	if len(c.times) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(`
## The cryptography of a chat

Without any hop: one process of each does nothing else, by turns. A chat is a session, 256
bytes sealed and 256 opened. Its floor is one key, one key agreement, HKDF and two passes of
GCM; that of a large one is a pass of GCM, one of base64 and one copy, as Go's standard
library does them. The ratios in the table above are of these.

`)
	b.WriteString(markdown([]string{"", "µs"}, c.times))
	return b.String()
}
