// What some of the frontend's packages expect of Node.js, as Backstage's own bundler provides it.
export { Buffer } from 'buffer/';
export { default as process } from 'process/browser.js';
