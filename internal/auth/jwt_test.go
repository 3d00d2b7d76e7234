package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
)

func verifierOf(t *testing.T, o *OIDC, keys string) *oidc.IDTokenVerifier {
	t.Helper()
	o.keys.calm(keys)
	set := &keySet{remote: oidc.NewRemoteKeySet(oidc.ClientContext(t.Context(), o.client), keys)}
	return oidc.NewVerifier(o.cfg.Issuer, set, &oidc.Config{SupportedSigningAlgs: algorithms, SkipClientIDCheck: true})
}

func TestTokensOfTheIssuerStandForTheirUsers(t *testing.T) {
	i := newIssuer(t)
	for what, c := range map[string]struct {
		claims map[string]any
		config func(*OIDCConfig)
		want   Principal
	}{
		"of the pages":         {map[string]any{}, nil, Principal{User: "ada", Roles: []Role{RoleUser}}},
		"of the command line":  {map[string]any{"aud": deviceClient, "azp": deviceClient}, nil, Principal{User: "ada", Roles: []Role{RoleUser}}},
		"for an audience":      {map[string]any{"aud": []string{"other", "https://stint.example.org"}, "azp": "a-portal"}, nil, Principal{User: "ada", Roles: []Role{RoleUser}}},
		"with roles":           {map[string]any{"realm_access": map[string]any{"roles": []any{"ops", "staff", "eyes", "ops", 7}}}, nil, Principal{User: "ada", Roles: []Role{RoleUser, RoleOperator, RoleAuditor}}},
		"with one role":        {map[string]any{"realm_access.roles": "ops"}, nil, Principal{User: "ada", Roles: []Role{RoleUser, RoleOperator}}},
		"with another name":    {map[string]any{"nick": "bob"}, func(c *OIDCConfig) { c.UsernameClaim = "nick" }, Principal{User: "bob", Roles: []Role{RoleUser}}},
		"with a verified mail": {map[string]any{"email": "a@b.org", "email_verified": true}, func(c *OIDCConfig) { c.UsernameClaim = "email" }, Principal{User: "a@b.org", Roles: []Role{RoleUser}}},
		"in groups that matter": {
			map[string]any{"realm_access": map[string]any{"groups": []any{"staff", "genomics", 7, "/genomics", "admins"}}},
			func(c *OIDCConfig) {
				c.GroupsClaim, c.Groups = "realm_access.groups", []string{"genomics", "admins", "others"}
			},
			Principal{User: "ada", Roles: []Role{RoleUser}, Groups: []string{"genomics", "admins"}},
		},
		"in one group":                    {map[string]any{"groups": "genomics"}, func(c *OIDCConfig) { c.GroupsClaim, c.Groups = "groups", []string{"genomics"} }, Principal{User: "ada", Roles: []Role{RoleUser}, Groups: []string{"genomics"}}},
		"in groups that nobody asked for": {map[string]any{"groups": []string{"genomics"}}, nil, Principal{User: "ada", Roles: []Role{RoleUser}}},
		"not before just now":             {map[string]any{"nbf": time.Now().Unix(), "iat": time.Now().Add(20 * time.Second).Unix()}, nil, Principal{User: "ada", Roles: []Role{RoleUser}}},
	} {
		o := newOIDC(t, i, c.config)
		text := i.sign(i.claims(c.claims))
		for range 2 { // the second time from memory
			got, err := o.Principal(t.Context(), text)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			if time.Until(got.Expires) < 59*time.Minute || got.TokenID == "" {
				t.Errorf("%s: %+v", what, got)
			}
			if age := time.Since(got.Issued); age < -time.Minute || age > time.Minute {
				t.Errorf("%s: it was issued at %v", what, got.Issued)
			}
			c.want.How, c.want.Issued, c.want.Expires, c.want.TokenID = HowOIDC, got.Issued, got.Expires, got.TokenID
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s:\n%s", what, diff)
			}
		}
	}
}

// unsigned is a token that says it needs no signature.
func unsigned(claims map[string]any, alg string) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(map[string]any{"alg": alg, "typ": "JWT", "kid": "k1"}) + "." + part(claims) + "."
}

// Every token here is refused, with the reason that it deserves.
func TestTokensThatAttackersMake(t *testing.T) {
	i := newIssuer(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(testKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	now := time.Now()
	good := i.sign(i.claims(nil))
	parts := strings.Split(good, ".")
	other := strings.Split(i.sign(i.claims(map[string]any{"sub": "eve"})), ".")
	claims := func(name string, value any) string { return i.sign(i.claims(map[string]any{name: value})) }
	mail := func(c *OIDCConfig) { c.UsernameClaim = "email" }
	for what, c := range map[string]struct {
		text   string
		reason string
		code   codes.Code
		config func(*OIDCConfig)
	}{
		"expired":                       {claims("exp", now.Add(-time.Second).Unix()), "TOKEN_EXPIRED", codes.Unauthenticated, nil},
		"without an end":                {claims("exp", nil), "TOKEN_EXPIRED", codes.Unauthenticated, nil},
		"not yet valid":                 {claims("nbf", now.Add(2*time.Minute).Unix()), "TOKEN_NOT_YET_VALID", codes.Unauthenticated, nil},
		"not yet valid for long":        {claims("nbf", now.Add(time.Hour).Unix()), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"issued in the future":          {claims("iat", now.Add(time.Hour).Unix()), "TOKEN_NOT_YET_VALID", codes.Unauthenticated, nil},
		"wrong audience":                {claims("aud", "another-service"), "TOKEN_AUDIENCE", codes.Unauthenticated, nil},
		"no audience":                   {claims("aud", nil), "TOKEN_AUDIENCE", codes.Unauthenticated, nil},
		"given to another client":       {claims("azp", "another-client"), "TOKEN_AUDIENCE", codes.Unauthenticated, nil},
		"for two, given to nobody":      {claims("aud", []string{pagesClient, "another"}), "TOKEN_AUDIENCE", codes.Unauthenticated, nil},
		"wrong issuer":                  {claims("iss", "https://evil.example"), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"issuer with a slash more":      {claims("iss", i.URL+"/"), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"alg none":                      {unsigned(i.claims(nil), "none"), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"alg None":                      {unsigned(i.claims(nil), "None"), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"alg RS256 without a signature": {unsigned(i.claims(nil), "RS256"), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"key confusion, by PEM":         {signWith(jose.HS256, public, "k1", i.claims(nil)), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"key confusion, by DER":         {signWith(jose.HS256, der, "k1", i.claims(nil)), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"key confusion, by the modulus": {signWith(jose.HS256, testKey().N.Bytes(), "k1", i.claims(nil)), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"another key of another kind":   {signWith(jose.ES256, ec, "k1", i.claims(nil)), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"a key that nobody knows":       {signWith(jose.RS256, newKey(), "k9", i.claims(nil)), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"a key without a name":          {signWith(jose.RS256, newKey(), "", i.claims(nil)), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"its own key in its header":     {embedded(i.claims(nil)), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"claims of another token":       {parts[0] + "." + other[1] + "." + parts[2], "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"in the JSON form":              {fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2]), "TOKEN_MALFORMED", codes.Unauthenticated, nil},
		"far too long":                  {good + strings.Repeat("A", jwtMost), "TOKEN_MALFORMED", codes.Unauthenticated, nil},
		"dots":                          {"..", "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"a message about a sign-out":    {claims("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"bound to a key":                {claims("cnf", map[string]any{"jkt": "x"}), "TOKEN_BOUND", codes.Unauthenticated, nil},
		"no name":                       {claims("sub", ""), "USER_NAME", codes.PermissionDenied, nil},
		"a name that is a path":         {claims("sub", "../ada"), "USER_NAME", codes.PermissionDenied, nil},
		"the name of the operator":      {claims("sub", adminUser), "USER_NAME", codes.PermissionDenied, nil},
		"a name that is a number":       {claims("sub", 7), "TOKEN_NOT_GENUINE", codes.Unauthenticated, nil},
		"no mail":                       {good, "USER_NAME", codes.PermissionDenied, mail},
		"a mail of somebody else's":     {claims("email", "ada@example.org"), "EMAIL_NOT_VERIFIED", codes.PermissionDenied, mail},
	} {
		o := newOIDC(t, i, c.config)
		if _, err := o.Principal(t.Context(), c.text); err == nil {
			t.Errorf("%s: taken", what)
		} else {
			t.Run(what, func(t *testing.T) { wantStatus(t, err, c.code, c.reason) })
		}
	}
}

// embedded is a token that brings the key that it was signed with.
func embedded(claims map[string]any) string {
	key := newKey()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		panic(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	object, err := signer.Sign(b)
	if err != nil {
		panic(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// Anybody can make tokens with keys that nobody knows. The issuer is not asked for each.
func TestAFloodOfUnknownKeysIsAFewRequests(t *testing.T) {
	i := newIssuer(t)
	o := newOIDC(t, i, nil)
	clock := time.Now()
	o.keys.now = func() time.Time { return clock }
	key := newKey()
	try := func(n int) {
		if _, err := o.Principal(t.Context(), signWith(jose.RS256, key, fmt.Sprint("k", n+100), i.claims(nil))); err == nil {
			t.Error("taken")
		}
	}
	flood := func() {
		var wg sync.WaitGroup
		for n := range 200 {
			wg.Go(func() { try(n) })
		}
		wg.Wait()
	}
	for n := range 4 * keysBurst {
		try(n)
	}
	if _, err := o.Principal(t.Context(), i.sign(i.claims(nil))); err != nil {
		t.Errorf("a good token during the flood: %v", err)
	}
	flood()
	if i.fetches != keysBurst {
		t.Errorf("%d requests for the keys, want %d", i.fetches, keysBurst)
	}
	clock = clock.Add(keysEvery)
	flood()
	if i.fetches != keysBurst+1 {
		t.Errorf("%d requests for the keys after %s, want one more than %d", i.fetches, keysEvery, keysBurst)
	}
	clock = clock.Add(time.Hour)
	for n := range 4 * keysBurst {
		try(n)
	}
	if i.fetches != 2*keysBurst+1 {
		t.Errorf("%d requests for the keys after a quiet hour, want %d", i.fetches, 2*keysBurst+1)
	}
}

func TestNewKeysAreFoundAtOnceAndOldOnesHold(t *testing.T) {
	i := newIssuer(t)
	o := newOIDC(t, i, nil)
	if _, err := o.Principal(t.Context(), i.sign(i.claims(nil))); err != nil {
		t.Fatal(err)
	}
	second := newKey()
	i.mu.Lock()
	i.keys["k2"] = second
	i.mu.Unlock()
	for what, text := range map[string]string{
		"with the new key": signWith(jose.RS256, second, "k2", i.claims(nil)),
		"with the old key": i.sign(i.claims(map[string]any{"sub": "bob"})),
	} {
		if _, err := o.Principal(t.Context(), text); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The old key is gone, as after it was stolen. What is not known by heart is refused from the next look on.
	i.mu.Lock()
	delete(i.keys, "k1")
	i.mu.Unlock()
	_, err := o.Principal(t.Context(), signWith(jose.RS256, newKey(), "k3", i.claims(nil))) // makes it look
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_NOT_GENUINE")
	// go-oidc answers who made it look a moment before it takes the new keys in.
	for n := range 10_000 {
		if _, err = o.Principal(t.Context(), i.sign(i.claims(map[string]any{"sub": fmt.Sprint("eve", n)}))); err != nil {
			break
		}
		runtime.Gosched()
	}
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_NOT_GENUINE")
}

// A key that the issuer took back is gone after the next look, though no token with another key makes
// anybody look. An issuer that does not answer takes nothing back.
func TestKeysThatTheIssuerTookBackEnd(t *testing.T) {
	i := newIssuer(t)
	o, err := NewOIDC(newOIDC(t, i, nil).cfg)
	if err != nil {
		t.Fatal(err)
	}
	waiting, look := make(chan struct{}), make(chan struct{})
	o.wait = func(ctx context.Context, d time.Duration) error {
		if d != keysFor {
			t.Errorf("waits %s", d)
		}
		waiting <- struct{}{}
		select {
		case <-look:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	<-waiting
	again := func(change func()) {
		i.mu.Lock()
		before := i.fetches
		change()
		i.mu.Unlock()
		look <- struct{}{}
		<-waiting
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.fetches != before+1 {
			t.Errorf("%d requests for the keys, want one", i.fetches-before)
		}
	}
	forge := func(n int) error { // with the stolen key, each time another
		_, err := o.Principal(t.Context(), i.sign(i.claims(map[string]any{"sub": fmt.Sprint("eve", n)})))
		return err
	}
	if err := forge(0); err != nil {
		t.Fatal(err)
	}
	again(func() { i.down = true })
	if err := forge(1); err != nil {
		t.Errorf("while the issuer is away: %v", err)
	}
	again(func() { i.down, i.keys = false, map[string]*rsa.PrivateKey{"k2": newKey()} })
	// go-oidc answers who made it look a moment before it takes the new keys in.
	for n := 2; n < 10_000 && err == nil; n++ {
		err = forge(n)
		runtime.Gosched()
	}
	wantStatus(t, err, codes.Unauthenticated, "TOKEN_NOT_GENUINE")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A token that was checked is checked again before the keys are old.
func TestCheckedTokensAreCheckedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newJWTCache()
		c.put(Hash("long"), Principal{User: "ada", Expires: time.Now().Add(24 * time.Hour)})
		c.put(Hash("short"), Principal{User: "bob", Expires: time.Now().Add(time.Minute)})
		for _, step := range []struct {
			after       time.Duration
			long, short bool
		}{{time.Minute - 1, true, true}, {1, true, false}, {keysFor - time.Minute - 1, true, false}, {1, false, false}} {
			time.Sleep(step.after) //nolint:forbidigo // fake time: a synctest bubble
			_, long := c.get(Hash("long"))
			_, short := c.get(Hash("short"))
			if long != step.long || short != step.short {
				t.Errorf("after %s more: %v and %v", step.after, long, short)
			}
		}
	})
}

func TestCheckedTokensAreForgottenInTime(t *testing.T) {
	c := newJWTCache()
	c.put(Hash("over"), Principal{User: "ada", Expires: time.Now().Add(-time.Second)})
	if _, ok := c.get(Hash("over")); ok {
		t.Error("an expired token is remembered")
	}
	for n := range jwtsMost + 10 {
		c.put(Hash(strconv.Itoa(n)), Principal{Expires: time.Now().Add(time.Hour)})
	}
	if len(c.good) > jwtsMost {
		t.Errorf("%d are remembered", len(c.good))
	}
}
