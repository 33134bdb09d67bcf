// Package vendor_test measures the vendor's own Go SDK: what its code costs one
// chat, for the ratios that test/bench/crypto.sh prints. It is a module of its own,
// so that the SDK and what that requires stay out of sealcar's.
package vendor_test

import (
	"os"
	"strings"
	"testing"

	"github.com/volcengine/volcengine-go-sdk/service/arkruntime/pkg/encryption"
)

const chatBytes = 256

// BenchmarkVendorGo is a session, a message sealed and a reply opened, as
// BenchmarkChatInline in crypto/ark has it.
func BenchmarkVendorGo(b *testing.B) {
	pem, err := os.ReadFile("../../../crypto/ark/testdata/vendor-leaf.pem")
	if err != nil {
		b.Fatal(err)
	}
	client, err := encryption.NewP256KeyAgreementClient(string(pem))
	if err != nil {
		b.Fatal(err)
	}
	message := strings.Repeat("m", chatBytes)
	b.ReportAllocs()
	for b.Loop() {
		keys, _, err := client.GenerateECIESKeyPair()
		if err != nil {
			b.Fatal(err)
		}
		sealed, err := encryption.AesGcmEncryptBase64String(keys[:32], keys[32:], message)
		if err != nil {
			b.Fatal(err)
		}
		if opened, err := encryption.AesGcmDecryptBase64String(keys[:32], keys[32:], sealed); err != nil || opened != message {
			b.Fatal(err)
		}
	}
}
