import { Theazo } from 'theazo'
const theazo = new Theazo({ apiKey: 'th_live_...' })
const session = await theazo.sessions.forUser('user_123')
await session.secrets.set({ OPENAI_API_KEY: 'sk-...', STRIPE_SECRET: 'sk_live_...', DATABASE_URL: 'postgres://user:pass@host:5432/db' })
const agent = await session.agents.create({ compute: 'python', secrets: ['OPENAI_API_KEY', 'STRIPE_SECRET', 'DATABASE_URL'] })
const secrets = await session.secrets.list()   // [{ name: 'OPENAI_API_KEY', createdAt: '2025-05-01T10:00:00Z' }, …]
await session.secrets.set({ OPENAI_API_KEY: 'sk-new-key-...' })   // running agents keep the old value, new agents get the new one
await session.secrets.delete('OPENAI_API_KEY')                    // permanent; agents that declare it fail
