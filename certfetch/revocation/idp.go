package revocation

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// issuingDistributionPoint is the extension of that name: what a CRL is about
// (RFC 5280 §5.2.5). crypto/x509 does not read it.
type issuingDistributionPoint struct {
	named          bool     // it names its distribution point
	addresses      []string // by these URIs
	userCerts      bool
	caCerts        bool
	attributeCerts bool
	someReasons    bool
	indirect       bool
}

var errDistributionPoint = errors.New("its issuing distribution point cannot be read")

func parseIssuingDistributionPoint(der []byte) (issuingDistributionPoint, error) {
	var p issuingDistributionPoint
	input, fields := cryptobyte.String(der), cryptobyte.String(nil)
	if !input.ReadASN1(&fields, asn1.SEQUENCE) || !input.Empty() {
		return p, errDistributionPoint
	}
	var name, reasons cryptobyte.String
	ok := fields.ReadOptionalASN1(&name, &p.named, asn1.Tag(0).ContextSpecific().Constructed()) &&
		readFlag(&fields, &p.userCerts, 1) &&
		readFlag(&fields, &p.caCerts, 2) &&
		fields.ReadOptionalASN1(&reasons, &p.someReasons, asn1.Tag(3).ContextSpecific()) &&
		readFlag(&fields, &p.indirect, 4) &&
		readFlag(&fields, &p.attributeCerts, 5) &&
		fields.Empty()
	if !ok {
		return p, errDistributionPoint
	}
	if !p.named {
		return p, nil
	}
	var ofName bool
	p.addresses, ofName = readFullName(name)
	if !ofName {
		return p, errDistributionPoint
	}
	return p, nil
}

// readFlag reads an implicitly tagged BOOLEAN DEFAULT FALSE.
func readFlag(from *cryptobyte.String, to *bool, tag uint8) bool {
	var value cryptobyte.String
	var present bool
	if !from.ReadOptionalASN1(&value, &present, asn1.Tag(tag).ContextSpecific()) {
		return false
	}
	if !present {
		return true
	}
	if len(value) != 1 || value[0] != 0 && value[0] != 0xff { // DER, X.690 §11.1
		return false
	}
	*to = value[0] == 0xff
	return true
}

// readFullName reads the URIs of a DistributionPointName. One that is relative
// to the issuer's name cannot be compared with an address.
func readFullName(name cryptobyte.String) (addresses []string, ok bool) {
	var names cryptobyte.String
	if !name.ReadASN1(&names, asn1.Tag(0).ContextSpecific().Constructed()) || !name.Empty() {
		return nil, false
	}
	for !names.Empty() {
		var value cryptobyte.String
		var tag asn1.Tag
		if !names.ReadAnyASN1(&value, &tag) {
			return nil, false
		}
		if tag == asn1.Tag(6).ContextSpecific() { // uniformResourceIdentifier
			addresses = append(addresses, string(value))
		}
	}
	return addresses, true
}
