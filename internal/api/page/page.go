// Package page cuts what is long into bounded parts: lists into pages, whose
// tokens are good for one query of one caller, and files into frames.
package page

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
	"github.com/stint-jobs/stint/internal/weight"
)

// Sizes of pages, as the API states them.
const (
	// Default is the size of a page when the request names none.
	Default = 50
	// Max is the size of the largest page.
	Max = 1000
	// MaxAnswer is the largest message that is sent: the default bound of gRPC's clients in all languages.
	MaxAnswer = 4 << 20
	// maxMemory is what the things in an answer may take in memory. Where they are translated, as for Connect in JSON, they are there
	// twice, which keeps the memory for an answer below 12 MiB.
	maxMemory = 6 << 20
)

var (
	// Bound is where a page ends early, whatever its size: such a page has a token, and is followed by others.
	Bound = weight.Bound{Bytes: 1 << 20, Weight: weight.Weight{Text: MaxAnswer, Memory: maxMemory}}
	// BatchBound is how much of jobs a batch call returns. It leaves room for what the server adds to each.
	BatchBound = weight.Bound{Bytes: 3 << 20, Weight: weight.Weight{Text: MaxAnswer, Memory: maxMemory}}
)

const maxToken = 2048

// encoding is strict, so that two tokens are never the same cursor.
var encoding = base64.RawURLEncoding.Strict()

// Sealer makes page tokens that nobody can read, change, or use for another
// query: a token is a cursor, encrypted and bound to what it continues. It carries the incarnation of the database,
// for a cursor of another one may point to jobs that are not there any more.
type Sealer struct {
	aead        cipher.AEAD
	incarnation [incarnationSize]byte
}

// incarnationSize is how many bytes of the digest of an incarnation are in a token.
const incarnationSize = 8

// NewSealer returns a Sealer with a key for AES.
func NewSealer(key []byte, incarnation string) (Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return Sealer{}, fmt.Errorf("make the page token cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Sealer{}, fmt.Errorf("make the page token cipher: %w", err)
	}
	sum := sha256.Sum256([]byte(incarnation))
	return Sealer{aead, [incarnationSize]byte(sum[:incarnationSize])}, nil
}

// Seal returns the token for the page behind c. bound is everything that must be
// the same when it comes back.
func (p Sealer) Seal(c *store.Cursor, bound ...string) (string, error) {
	if c == nil {
		return "", nil
	}
	plain, err := c.MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("write a page token: %w", err)
	}
	return p.SealBytes(plain, bound...), nil
}

// SealBytes is Seal for a cursor that is bytes.
func (p Sealer) SealBytes(plain []byte, bound ...string) string {
	plain = append(p.incarnation[:], plain...) // a new slice: the array has no room
	nonce := make([]byte, p.aead.NonceSize(), p.aead.NonceSize()+len(plain)+p.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return encoding.EncodeToString(p.aead.Seal(nonce, nonce, plain, digest(bound)))
}

// Open reads a token; empty is the beginning. A token that was changed, or made
// for another query or caller, is refused.
func (p Sealer) Open(token string, bound ...string) (*store.Cursor, error) {
	if token == "" {
		return nil, nil //nolint:nilnil // no token, no cursor
	}
	plain, err := p.OpenBytes(token, bound...)
	if err != nil {
		return nil, err
	}
	c := new(store.Cursor)
	if err := c.UnmarshalBinary(plain); err != nil {
		return nil, ErrToken
	}
	return c, nil
}

// ErrToken refuses a token that was changed, or made for another query or caller.
var ErrToken = job.Invalid("pageToken", "does not belong to this query; begin again without it, or send the same filter, order and owner as before")

// ErrTokenRestored refuses a token of the same server from before its database was restored.
var ErrTokenRestored = job.Invalid("pageToken", "is from before the server's database was restored from a backup; begin again without it")

// OpenBytes is Open for a cursor that is bytes. It refuses an empty token.
func (p Sealer) OpenBytes(token string, bound ...string) ([]byte, error) {
	if len(token) > maxToken {
		return nil, ErrToken
	}
	sealed, err := encoding.DecodeString(token)
	if err != nil || len(sealed) < p.aead.NonceSize() {
		return nil, ErrToken
	}
	nonce, sealed := sealed[:p.aead.NonceSize()], sealed[p.aead.NonceSize():]
	plain, err := p.aead.Open(nil, nonce, sealed, digest(bound))
	if err != nil || len(plain) < incarnationSize {
		return nil, ErrToken
	}
	if [incarnationSize]byte(plain) != p.incarnation {
		return nil, ErrTokenRestored
	}
	return plain[incarnationSize:], nil
}

// SealNumber is Seal for a cursor that is a number.
func (p Sealer) SealNumber(n uint64, bound ...string) string {
	return p.SealBytes(binary.BigEndian.AppendUint64(nil, n), bound...)
}

// OpenNumber is Open for a cursor that is a number. An empty token is 0.
func (p Sealer) OpenNumber(token string, bound ...string) (uint64, error) {
	if token == "" {
		return 0, nil
	}
	plain, err := p.OpenBytes(token, bound...)
	if err != nil {
		return 0, err
	}
	if len(plain) != 8 {
		return 0, ErrToken
	}
	return binary.BigEndian.Uint64(plain), nil
}

// digest is unambiguous: each part goes in with its length.
func digest(parts []string) []byte {
	h := sha256.New()
	for _, s := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	return h.Sum(nil)
}

// Size returns how many things a page has for which a request wants n: def when it wants none, and at most most.
func Size(n int32, def, most int) (int, error) {
	switch {
	case n < 0:
		return 0, job.Invalid("pageSize", "must not be negative")
	case n == 0:
		return def, nil
	default:
		return min(int(n), most), nil
	}
}
