package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// rootsModule is where the roots come from.
const rootsModule = "golang.org/x/crypto/x509roots/fallback"

// writeSBOM writes what an image holds, as CycloneDX in JSON: the binary, what that
// says it is made of, and the roots. 1.6 is what most readers know.
// https://cyclonedx.org/docs/1.6/json/
func writeSBOM(out, binary, version string) error {
	parts, err := partsOf(binary)
	if err != nil {
		return err
	}
	roots, err := rootsComponent()
	if err != nil {
		return err
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &cyclonedx.Component{
		BOMRef: "sealcar", Type: cyclonedx.ComponentTypeApplication, Name: "sealcar", Version: version,
		Licenses: licenceChoice([]string{"Apache-2.0"}),
	}}
	components := []cyclonedx.Component{roots}
	refs := []string{roots.BOMRef}
	for _, p := range parts {
		c := p.component()
		components, refs = append(components, c), append(refs, c.BOMRef)
	}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: "sealcar", Dependencies: &refs}}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // after the Close below it only says so
	if err := cyclonedx.NewBOMEncoder(f, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return fmt.Errorf("writing %q: %w", out, err)
	}
	return f.Close()
}

// component is a part as CycloneDX has it.
// https://github.com/package-url/purl-spec/blob/main/types-doc/golang-definition.md
func (p part) component() cyclonedx.Component {
	purl := "pkg:golang/" + p.name + "@" + p.version
	if p.name == std {
		purl = "pkg:golang/std@" + strings.TrimPrefix(p.version, "go")
	}
	return cyclonedx.Component{
		BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: p.name, Version: p.version, PackageURL: purl,
		Hashes: hashes(p.sum), Licenses: licenceChoice(p.licences),
	}
}

// rootsComponent is the file of root certificates, whose version is that of the module
// that this program has it from.
func rootsComponent() (cyclonedx.Component, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cyclonedx.Component{}, errors.New("this program does not know what it is made of")
	}
	for _, d := range info.Deps {
		if d.Path != rootsModule {
			continue
		}
		sum := sha256.Sum256(rootsPEM())
		return cyclonedx.Component{
			BOMRef: "ca-certificates", Type: cyclonedx.ComponentTypeFile, Name: "/" + rootsPath, Version: d.Version,
			Description: "roots that Mozilla trusts for TLS, by " + rootsModule,
			Hashes:      &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
			Licenses:    licenceChoice([]string{"MPL-2.0"}),
		}, nil
	}
	return cyclonedx.Component{}, fmt.Errorf("this program is not built with %s", rootsModule)
}

// licenceChoice is one identifier, or an expression of several (SPDX 2.3, annex D).
func licenceChoice(ids []string) *cyclonedx.Licenses {
	if len(ids) == 1 {
		return &cyclonedx.Licenses{{License: &cyclonedx.License{ID: ids[0]}}}
	}
	return &cyclonedx.Licenses{{Expression: strings.Join(ids, " AND ")}}
}

// hashes turns a sum of go.sum (h1, SHA-256) into CycloneDX's form.
func hashes(sum string) *[]cyclonedx.Hash {
	encoded, ok := strings.CutPrefix(sum, "h1:")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return nil
	}
	return &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(raw)}}
}
