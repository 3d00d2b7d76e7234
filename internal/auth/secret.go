package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
)

// The text of a token is `stint_<id>_<secret><checksum>`, always of the same
// length. The prefix lets people and scanners see what it is, the id is public, and
// the checksum tells a token that was mistyped or cut off from one that is unknown.
const (
	tokenPrefix = "stint_"
	// jobTokenPrefix begins the token of a job's command, which is made and checked elsewhere.
	jobTokenPrefix = "stintjob_"
	idBytes        = 5
	secretBytes    = 32
	idLength       = 8  // idBytes in base 32
	secretLength   = 52 // secretBytes
	sumLength      = 7  // of a CRC-32
	tokenLength    = len(tokenPrefix) + idLength + len("_") + secretLength + sumLength
	tokenAlphabet  = "0123456789abcdefghjkmnpqrstvwxyz" // without i, l, o and u, which are misread
)

var (
	base       = base32.NewEncoding(tokenAlphabet).WithPadding(base32.NoPadding)
	errNoToken = errors.New("not the text of a token")
)

// NewSecret makes a token's public id and its text, which holds 256 random bits.
func NewSecret() (id, text string) {
	var b [idBytes + secretBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	id = base.EncodeToString(b[:idBytes])
	body := id + "_" + base.EncodeToString(b[idBytes:])
	return id, tokenPrefix + body + checksum(body)
}

// ParseSecret checks that text has the form of a token and answers its public
// id. Nothing secret takes part in that: whether there is such a token only Hash and the store can tell.
func ParseSecret(text string) (id string, err error) {
	body, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(text) != tokenLength {
		return "", errNoToken
	}
	body, sum := body[:len(body)-sumLength], body[len(body)-sumLength:]
	id, secret, ok := strings.Cut(body, "_")
	if !ok || len(id) != idLength || checksum(body) != sum {
		return "", errNoToken
	}
	for _, part := range []string{id, secret} {
		if _, err := base.DecodeString(part); err != nil {
			return "", errNoToken
		}
	}
	return id, nil
}

// Hash is what the store keeps of a token: the SHA-256 of its whole text. A
// plain hash is enough for 256 random bits, which nobody guesses. And since a
// token is looked up by its hash, how long the lookup takes tells an attacker
// about hashes only, none of which they can choose: nothing needs to be compared in constant time.
func Hash(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

func checksum(body string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(body)))
	return base.EncodeToString(b[:])
}
