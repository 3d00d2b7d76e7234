// A real provider of OpenID Connect on a port of its own: oidc-provider, with
// pages of ours that ask for no more than a name.
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';

const asText = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Starts an issuer. Its clients are the pages of the servers that trust it, and a command line. */
export async function startIssuer({ groups = {}, idTokenSeconds = 3600 } = {}) {
  // It says on standard error which versions of Node it likes best.
  const warn = console.warn;
  console.warn = () => {};
  const { Provider } = await import('oidc-provider').finally(() => {
    console.warn = warn;
  });
  let handler = (_, res) => res.writeHead(503).end();
  const listener = createServer((req, res) => handler(req, res));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = `http://127.0.0.1:${listener.address().port}`;
  const issuer = { url, keyFetches: 0, keys: [], servers: [] };
  const kept = new Map();

  const make = () => {
    const provider = new Provider(url, {
      ...configuration(issuer.servers, groups, idTokenSeconds, issuer.keys),
      adapter: (model) => new Adapter(kept, model),
    });
    provider.on('server_error', (_, error) => console.error('issuer:', error));
    /** Tells the first server that a user signed out at the issuer. */
    issuer.signOut = async (name) => (await provider.Client.find('stint')).backchannelLogout(name, 'any session');
    const callback = provider.callback();
    handler = (req, res) => {
      if (req.url.startsWith('/jwks')) issuer.keyFetches++;
      if (req.url.startsWith('/interaction/'))
        interact(provider, req, res).catch((error) => res.writeHead(400).end(`${error}`));
      else callback(req, res);
    };
  };
  /** Signs with a new key from now on. Keys before stay known for as long as asked. */
  issuer.rotate = async ({ keep = true } = {}) => {
    const made = await newKey(`key-${issuer.keys.length + 1}`);
    issuer.keys = [made, ...(keep ? issuer.keys : [])];
    make();
  };
  issuer.renew = make;
  issuer.close = async () => {
    listener.closeAllConnections();
    listener.close();
    await once(listener, 'close');
  };
  await issuer.rotate();
  return issuer;
}

const clientSecret = 'only-for-this-test-0123456789abcdef';

/** Has a server trust the issuer before it starts; answers its flags. */
export async function trust(issuer, server) {
  issuer.servers.push(server.url);
  issuer.renew();
  await writeFile(path.join(server.folder, 'oidc.secret'), clientSecret);
  const section = [
    'oidc:',
    `  issuer: ${issuer.url}`,
    '  client-id: stint',
    `  client-secret-file: ${server.folder}/oidc.secret`,
    '  device-client-id: stint-cli',
    `  public-url: ${server.url}`,
    '  roles-claim: groups',
    '  roles: {operators: operator}',
    '',
  ].join('\n');
  const file = path.join(server.folder, 'stintd.yaml');
  await writeFile(file, section);
  return ['--config', file];
}

// Adapter keeps what the provider knows over a change of its keys.
class Adapter {
  constructor(kept, model) {
    Object.assign(this, { kept, model });
  }

  async upsert(id, payload, seconds) {
    this.kept.set(`${this.model}:${id}`, { ...payload, ends: seconds ? Date.now() + seconds * 1000 : undefined });
  }

  async find(id) {
    const found = this.kept.get(`${this.model}:${id}`);
    if (!found || found.ends < Date.now()) return undefined;
    const { ends, ...payload } = found;
    return payload;
  }

  async findBy(name, value) {
    for (const [key, payload] of this.kept)
      if (key.startsWith(`${this.model}:`) && payload[name] === value)
        return this.find(key.slice(this.model.length + 1));
    return undefined;
  }

  findByUid(uid) {
    return this.findBy('uid', uid);
  }

  findByUserCode(code) {
    return this.findBy('userCode', code);
  }

  async consume(id) {
    this.kept.get(`${this.model}:${id}`).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.kept.delete(`${this.model}:${id}`);
  }

  async revokeByGrantId(grantId) {
    for (const [key, payload] of this.kept) if (payload.grantId === grantId) this.kept.delete(key);
  }
}

async function newKey(kid) {
  const { privateKey } = await crypto.subtle.generateKey(
    { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
    true,
    ['sign', 'verify'],
  );
  const { ext, key_ops, ...jwk } = await crypto.subtle.exportKey('jwk', privateKey);
  return { ...jwk, kid, use: 'sig', alg: 'RS256' };
}

function configuration(servers, groups, idTokenSeconds, keys) {
  const page = (title, form, button) =>
    `<!doctype html><title>${title}</title><h1>${title}</h1>${form}<button type="submit" form="${button}">Continue</button>`;
  return {
    jwks: { keys },
    clients: [
      {
        client_id: 'stint',
        client_secret: clientSecret,
        redirect_uris: servers.map((server) => `${server}auth/callback`),
        grant_types: ['authorization_code'],
        response_types: ['code'],
        ...(servers.length > 0 && { backchannel_logout_uri: `${servers[0]}auth/backchannel-logout` }),
      },
      {
        client_id: 'stint-cli',
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        redirect_uris: [],
        response_types: [],
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      },
    ],
    claims: { openid: ['sub', 'groups'], profile: ['name'], email: ['email', 'email_verified'] },
    scopes: ['openid', 'offline_access', 'profile', 'email'],
    conformIdTokenClaims: false,
    // Its own refuses addresses of this machine.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    pkce: { required: () => true },
    findAccount: (_, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, name: accountId, groups: groups[accountId] ?? [] }),
    }),
    // Whoever signs in agrees.
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid profile email offline_access');
      await grant.save();
      return grant;
    },
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: false },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form) => {
          ctx.body = page('Which code?', form, 'op.deviceInputForm');
        },
        userCodeConfirmSource: (ctx, form, _client, _device, code) => {
          ctx.body = page(`Is it ${code}?`, form, 'op.deviceConfirmForm');
        },
        successSource: (ctx) => {
          ctx.body = '<!doctype html><title>Done</title><h1>You can close this page</h1>';
        },
      },
    },
    cookies: { keys: ['only-for-this-test'], names: { session: 'issuer_session' } },
    ttl: {
      IdToken: idTokenSeconds,
      AccessToken: 3600,
      RefreshToken: 86400,
      DeviceCode: 600,
      Interaction: 600,
      Session: 86400,
      Grant: 86400,
    },
  };
}

// interact asks for a name, and takes every one.
async function interact(provider, req, res) {
  const details = await provider.interactionDetails(req, res);
  if (req.method !== 'POST') {
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.end(`<!doctype html><title>Who are you?</title><h1>Who are you?</h1>
      <form method="post" action="${asText(req.url)}"><label>Name <input name="name" autofocus></label> <button>Continue</button></form>`);
    return;
  }
  let body = '';
  for await (const chunk of req) body += chunk;
  const accountId = new URLSearchParams(body).get('name');
  await provider.interactionFinished(
    req,
    res,
    accountId ? { [details.prompt.name]: { accountId } } : { error: 'access_denied' },
    { mergeWithLastSubmission: false },
  );
}
