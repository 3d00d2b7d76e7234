package api

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
)

// Sizes of pages, as the API states them.
const (
	defaultPage  = 50
	maxPage      = 1000
	maxPageToken = 2048
)

// pageSealer makes page tokens that nobody can read, change, or use for another
// query: a token is a cursor, encrypted and bound to what it continues. It carries the incarnation of the database,
// for a cursor of another one may point to jobs that are not there any more.
type pageSealer struct {
	aead        cipher.AEAD
	incarnation [incarnationSize]byte
}

// incarnationSize is how many bytes of the digest of an incarnation are in a token.
const incarnationSize = 8

func newPageSealer(key []byte, incarnation string) (pageSealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return pageSealer{}, fmt.Errorf("make the page token cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return pageSealer{}, fmt.Errorf("make the page token cipher: %w", err)
	}
	sum := sha256.Sum256([]byte(incarnation))
	return pageSealer{aead, [incarnationSize]byte(sum[:incarnationSize])}, nil
}

// seal makes the token for the page behind c. bound is everything that must be
// the same when it comes back.
func (p pageSealer) seal(c *store.Cursor, bound ...string) (string, error) {
	if c == nil {
		return "", nil
	}
	plain, err := c.MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("write a page token: %w", err)
	}
	return p.sealBytes(plain, bound...), nil
}

func (p pageSealer) sealBytes(plain []byte, bound ...string) string {
	plain = append(p.incarnation[:], plain...) // a new slice: the array has no room
	nonce := make([]byte, p.aead.NonceSize(), p.aead.NonceSize()+len(plain)+p.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(p.aead.Seal(nonce, nonce, plain, digest(bound)))
}

// open reads a token; empty is the beginning. A token that was changed, or made
// for another query or caller, is refused.
func (p pageSealer) open(token string, bound ...string) (*store.Cursor, error) {
	if token == "" {
		return nil, nil //nolint:nilnil // no token, no cursor
	}
	plain, err := p.openBytes(token, bound...)
	if err != nil {
		return nil, err
	}
	c := new(store.Cursor)
	if err := c.UnmarshalBinary(plain); err != nil {
		return nil, errPageToken
	}
	return c, nil
}

var errPageToken = job.Invalid("pageToken", "does not belong to this query; begin again without it, or send the same filter, order and owner as before")

// errPageTokenRestored is for a token of the same server from before its database was restored.
var errPageTokenRestored = job.Invalid("pageToken", "is from before the server's database was restored from a backup; begin again without it")

func (p pageSealer) openBytes(token string, bound ...string) ([]byte, error) {
	if len(token) > maxPageToken {
		return nil, errPageToken
	}
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(sealed) < p.aead.NonceSize() {
		return nil, errPageToken
	}
	nonce, sealed := sealed[:p.aead.NonceSize()], sealed[p.aead.NonceSize():]
	plain, err := p.aead.Open(nil, nonce, sealed, digest(bound))
	if err != nil || len(plain) < incarnationSize {
		return nil, errPageToken
	}
	if [incarnationSize]byte(plain) != p.incarnation {
		return nil, errPageTokenRestored
	}
	return plain[incarnationSize:], nil
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

// pageSize applies the rules for page sizes.
func pageSize(n int32, def, most int) (int, error) {
	switch {
	case n < 0:
		return 0, job.Invalid("pageSize", "must not be negative")
	case n == 0:
		return def, nil
	default:
		return min(int(n), most), nil
	}
}
