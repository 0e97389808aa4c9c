// Backstage's own configuration, which reads the packages' roles.
module.exports = require('@backstage/cli-module-test-jest/config/jest');
