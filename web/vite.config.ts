import { defineConfig } from 'vite';

// The pages. build/build.mjs builds the indicator and the worker beside them.
//
// `npx vite` serves the sources while they are worked on; STINT_SERVER is the
// server whose jobs they show.
export default defineConfig(({ command }) => ({
  // All addresses are relative: the server says in <base> where the pages are published.
  base: command === 'build' ? './' : '/',
  build: {
    target: 'es2022',
    // Nothing as data: URLs inside style sheets or scripts; the policy allows them for images alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/v1': { target: `http://${process.env.STINT_SERVER ?? '127.0.0.1:8421'}`, changeOrigin: true } },
  },
  plugins: [
    {
      name: 'stint-base',
      transformIndexHtml: (html) => (command === 'build' ? html : html.replace('<head>', '<head><base href="/">')),
    },
  ],
}));
