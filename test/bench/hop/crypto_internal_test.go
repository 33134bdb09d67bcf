package main

import (
	"strings"
	"testing"
)

const cryptoOutput = `cpu: Some Processor
versions: the vendor's Go SDK v1.2.3, Python SDK 4.5.6
a chat under keys made ahead            594 ns   (590 to 1200)

on-path crypto: a chat under keys made ahead, µs        0.59   target <= 2
its allocations                                            0   target <= 3
the vendor's Python SDK / it                           10.00   target >= 35
a line without a target                                10.00
`

func TestTheFiguresOfTheCryptographyAreReadWhole(t *testing.T) {
	t.Parallel()
	found, err := parseCryptography(strings.NewReader(cryptoOutput))
	if err != nil {
		t.Fatal(err)
	}
	if found.versions != "the vendor's Go SDK v1.2.3, Python SDK 4.5.6" {
		t.Errorf("versions %q", found.versions)
	}
	if len(found.verdicts) != 3 {
		t.Fatalf("verdicts %+v", found.verdicts)
	}
	if v := found.verdicts[0]; v.what != "on-path crypto: a chat under keys made ahead, µs" || v.target != "≤ 2" || v.measured != "0.59" || v.met() != "yes" {
		t.Errorf("first: %+v", v)
	}
	if v := found.verdicts[1]; v.measured != "0" || v.met() != "yes" {
		t.Errorf("a count of none: %+v", v)
	}
	if v := found.verdicts[2]; v.target != "≥ 35" || v.ratio != 3.5 || v.met() != "no" {
		t.Errorf("third: %+v", v)
	}
	if section := found.section(); !strings.Contains(section, "| a chat under keys made ahead | 0.59 (0.59 … 1.20) |") {
		t.Error(section)
	}
}

func TestWithoutCryptographyThePageHasNoneOfIt(t *testing.T) {
	t.Parallel()
	found, err := readCryptography("")
	if err != nil || found.section() != "" || len(found.verdicts) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := readCryptography("/nowhere/crypto.txt"); err == nil {
		t.Error("a file that is not there is no error")
	}
}
